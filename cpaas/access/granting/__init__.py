"""Who is granted what, where and when: the API's words into the engine's, and back."""
