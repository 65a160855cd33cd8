-- Goods that come back: one row per order line and reason.
CREATE TABLE returns (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id    uuid NOT NULL,
    line_number smallint NOT NULL,
    reason      varchar(20) NOT NULL DEFAULT 'other' CHECK (reason IN ('damaged', 'wrong item', 'unwanted', 'other')),
    received_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (order_id, line_number) REFERENCES order_lines (order_id, line_number)
);
--;;
CREATE INDEX returns_order_id_idx ON returns (order_id);
