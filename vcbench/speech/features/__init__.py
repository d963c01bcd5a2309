"""Features of utterances: mel spectrogram, pitch, phones, and the store that keeps them."""
