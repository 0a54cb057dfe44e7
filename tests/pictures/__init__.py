"""Pictures of the product for its pages: `python -m tests.pictures`."""
