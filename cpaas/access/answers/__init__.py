"""What the API answers: resources, last values and series in cloud.iO's shapes."""
