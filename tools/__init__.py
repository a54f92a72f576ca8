"""Programs for people who work on Hearth; none of them is part of the driver."""
