"""Capacity planning: a queue simulation times measured use of one roadmap"""
