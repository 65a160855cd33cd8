CREATE TABLE discounts (
    id      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    code    varchar(30) NOT NULL UNIQUE,
    percent smallint NOT NULL CHECK (percent BETWEEN 1 AND 100),
    ends_at timestamptz
);
--;;
CREATE TABLE order_discounts (
    order_id    uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    discount_id uuid NOT NULL REFERENCES discounts (id),
    PRIMARY KEY (order_id, discount_id)
);
