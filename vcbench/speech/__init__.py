"""Audio, utterances, corpora, features, pretrained models and vocoders."""
