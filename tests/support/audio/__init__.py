"""Generated and real recordings, and what a test hears in them."""
