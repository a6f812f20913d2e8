"""Makes one transcript of the answers for single chunks: which words were spoken, when and by whom. Pure."""
