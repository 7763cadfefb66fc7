"""GAN or VAE? Train both under one protocol and compare them with numbers that carry their uncertainty."""

__version__ = "0.1.0"
