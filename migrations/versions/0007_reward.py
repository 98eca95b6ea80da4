"""a candidate's reward: `channels` held all of it, its source once more; now `reward`, without the source

Revision: 0007, after 0006
"""
from alembic import op
import sqlalchemy as sa


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

# Of the functions that 0005 made on Postgres: (name, what it says of the column at 0006, what it says now).
_SAID = (
    ('check_program', "json_build_object('source', program ->> 'source', 'functions'", "json_build_object('functions'"),
    ('submit', 'source, source_hash, channels, state', 'source, source_hash, reward, state'),
    ('submit', """'{"source": "", "functions": [],""", """'{"functions": [],"""),
    ('fork', 'source, source_hash, channels, state', 'source, source_hash, reward, state'),
)


def upgrade() -> None:
    _change('channels', lambda _, reward: {k: v for k, v in reward.items() if k != 'source'})
    # Both databases know the statement; a batch would copy the table.
    op.execute('ALTER TABLE candidates RENAME COLUMN channels TO reward')
    for name, before, after in _SAID:
        _say(name, before, after)


def downgrade() -> None:
    for name, before, after in _SAID:
        _say(name, after, before)
    op.execute('ALTER TABLE candidates RENAME COLUMN reward TO channels')
    _change('channels', lambda source, reward: {'source': source, **reward})


def _change(column, change):
    connection = op.get_bind()
    candidates = sa.table(
        'candidates', sa.column('id', sa.String), sa.column('source', sa.Text), sa.column(column, sa.JSON)
    )
    for name, source, reward in connection.execute(sa.select(*candidates.c)).all():
        if reward:  # of what never was a program, nothing is known
            changed = {column: change(source, reward)}
            connection.execute(candidates.update().where(candidates.c.id == name).values(changed))


def _say(name, before, after):
    """Put `after` for `before` in one of the database's functions; what may call it stays as it is."""
    bind = op.get_bind()
    if bind.dialect.name != 'postgresql':
        return
    found = bind.execute(
        sa.text(
            'SELECT pg_get_functiondef(oid) FROM pg_proc '
            "WHERE proname = 'rewardsmith_' || :name AND pronamespace = current_schema()::regnamespace"
        ),
        {'name': name},
    ).scalar_one()
    assert before in found, f'rewardsmith_{name} is not as 0005 made it'
    bind.exec_driver_sql(found.replace(before, after))
