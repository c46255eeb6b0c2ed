"""City Infrastructure Management: the live directory, found by one filter language."""
