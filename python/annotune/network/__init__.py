"""What reads texts: base models, prompts, batches, and the networks that give logits."""
