"""City Infrastructure Management: provisioning and enrolment."""
