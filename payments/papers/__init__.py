"""Papers for what people owe: quotations, pro-forma invoices, invoices and credit notes.

``bodies`` is what stands on one, ``numbering`` the numbers without a gap, ``issuing`` how one comes to be
and is credited, ``handing`` how it reaches people, ``pdf`` how it looks. Receipts are
``payments.payers.receipts``'.
"""
