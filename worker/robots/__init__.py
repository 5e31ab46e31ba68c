"""Robots that stand in for people: synthetic callers for tests, demonstrations and load."""
