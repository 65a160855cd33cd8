CREATE TABLE job_queue (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    queue         varchar(100) NOT NULL DEFAULT 'default',
    priority_rank integer NOT NULL DEFAULT 0,
    status        varchar(20) NOT NULL DEFAULT 'ready',
    execute_at    timestamptz,
    locked_by     varchar(255),
    locked_at     timestamptz,
    payload       text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);
