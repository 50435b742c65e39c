"""Programs that generate files of the repository; the product imports none of them."""
