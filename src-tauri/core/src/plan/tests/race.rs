//! Several laptops at once.
