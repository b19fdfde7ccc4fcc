"""The floor: ids, clock, crypto, documents, REST conventions. It imports no app."""
