ALTER TABLE orders ADD COLUMN gift_message varchar(280);
--;;
COMMENT ON COLUMN orders.gift_message IS 'Printed on a card; semicolons; and -- dashes in it are the customer''s';
