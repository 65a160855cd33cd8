DROP TABLE tenant_memberships;
