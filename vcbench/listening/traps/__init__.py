"""Trap clips, which tell attentive listeners from careless ones, and the script that makes them."""
