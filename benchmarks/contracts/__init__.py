"""The contracts goal and machine, as synth writes them and as a language model wrote them from the prompt alone."""
