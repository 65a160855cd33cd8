CREATE TABLE warehouses (
    id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    code varchar(12) NOT NULL UNIQUE,
    city varchar(80) NOT NULL
);
--;;
CREATE TABLE stock_levels (
    warehouse_id uuid NOT NULL REFERENCES warehouses (id),
    product_id   uuid NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    quantity     integer NOT NULL DEFAULT 0 CHECK (quantity >= 0),
    PRIMARY KEY (warehouse_id, product_id)
);
--;;
CREATE TABLE stock_movements (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    warehouse_id uuid NOT NULL REFERENCES warehouses (id),
    product_id   uuid NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    change       integer NOT NULL CHECK (change <> 0),
    reason       varchar(40) NOT NULL,
    moved_at     timestamptz NOT NULL DEFAULT now()
);
