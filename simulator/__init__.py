"""The pretend world: iKhokha's gateway as a real HTTP server, with payers' pages and a payer's whims.

Demo mode, the tests and the benchmarks run on it. It speaks only what is documented of the gateway and
goes wrong on request in every way gateways go wrong. It accepts the demo app ids only; live mode has no
way to it. No real money is near it.

``ledger`` is what was truly paid · ``switches`` how it misbehaves · ``bell`` its webhooks ·
``world`` the rules of paying · ``gateway`` the HTTP around them · ``server`` serving it.
"""
