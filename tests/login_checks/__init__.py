"""What a login checks, sentence by sentence, through the door, with a provider that lies."""
