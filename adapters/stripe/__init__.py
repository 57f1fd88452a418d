"""Stripe, over its HTTP API. https://docs.stripe.com/api"""
