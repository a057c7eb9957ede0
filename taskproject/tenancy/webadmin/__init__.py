"""What the pages of the web admin are made of: two sites, the wall between tenants, lists by
keyset, forms that call services. The `admin` modules of the apps register their models with it."""
