"""Analysis of the answers to a listening test."""
