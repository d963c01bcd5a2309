"""From a run to the package of a listening test."""
