"""npm's `oidc-provider`, an OpenID Provider that is certified and that nobody here wrote."""
