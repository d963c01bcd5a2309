"""The contracts of systems and metrics: all that a third party's file needs to import."""

from vcbench.api.batch import Batch, collate
from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric, Metric, RunView, SystemMetric
from vcbench.api.scores import Column, Measurement, Score
from vcbench.api.settings import SystemConfig, TrainingSettings
from vcbench.api.system import NeuralSystem, VoiceConverter
from vcbench.speech.utterance import Speaker, Utterance

__all__ = [
    "AudioMetric",
    "Batch",
    "Column",
    "Conversion",
    "Measurement",
    "Metric",
    "NeuralSystem",
    "RunView",
    "Score",
    "Speaker",
    "SystemConfig",
    "SystemMetric",
    "TrainingSettings",
    "Utterance",
    "VoiceConverter",
    "collate",
]
