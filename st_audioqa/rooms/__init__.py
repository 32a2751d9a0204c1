"""Rooms: geometry, materials, and the providers that draw them."""
