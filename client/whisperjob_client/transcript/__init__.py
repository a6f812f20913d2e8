"""What was said, when and by whom: answers for single chunks made into one transcript. Pure."""
