"""From recorded trades to a saved model with an honest card: labels, training, evaluation."""
