"""The Pulumi engine, through the Automation API."""
