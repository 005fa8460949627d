//! The SSM data channel, sans IO.
