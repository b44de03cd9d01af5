"""For each rule one event in its product's own form, made from the rule's own condition."""
