"""What is said and what is learnt: pure values, functions and tensors."""
