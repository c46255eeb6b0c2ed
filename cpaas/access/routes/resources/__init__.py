"""City resources: endpoints, their enrolment, metadata, and adapters' connections."""
