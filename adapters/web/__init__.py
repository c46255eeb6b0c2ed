"""Documents on the web: JSON, XML and GBFS, polled."""
