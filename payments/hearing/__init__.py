"""What gateways say: their messages kept once and acted on, and the same question asked without a bell."""
