"""The recipe of the embedded reader: generated reading tasks, tokenizer, training, export."""
