"""Money that goes back, or may have to: refunds by EFT, disputes, chargebacks, reversals, credits."""
