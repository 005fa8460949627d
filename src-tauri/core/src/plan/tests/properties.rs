//! What is true of every plan.
