"""reservations in the ledger of calls, comments

Revision: 0002, after 0001
"""
from alembic import op
import sqlalchemy as sa


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

_KEY = ['job_id', 'iteration', 'role', 'candidate', 'sample', 'attempt']


def _counter(name: str) -> sa.Column:
    return sa.Column(name, sa.Integer(), nullable=False, server_default='0')


def upgrade() -> None:
    with op.batch_alter_table('llm_calls', schema=None) as batch_op:
        for name in ('repeat', 'attempts', 'charged_calls', 'charged_tokens', 'reserved_calls', 'reserved_tokens'):
            batch_op.add_column(_counter(name))
        batch_op.add_column(sa.Column('charged_usd', sa.Float(), nullable=True))
        batch_op.add_column(sa.Column('reserved_usd', sa.Float(), nullable=True))
        batch_op.add_column(sa.Column('prompt_estimate', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('owner', sa.String(length=120), nullable=True))
        batch_op.add_column(sa.Column('note', sa.Text(), nullable=True))
        batch_op.drop_constraint(batch_op.f('uq_llm_calls_job_id_iteration_role_candidate_sample_attempt'), type_='unique')
        batch_op.create_unique_constraint('uq_llm_calls_call', [*_KEY, 'repeat'])
    op.execute(
        "UPDATE llm_calls SET attempts = 1, charged_calls = 1, charged_usd = price_usd, "
        "charged_tokens = COALESCE(prompt_tokens, 0) + COALESCE(completion_tokens, 0)"
    )
    op.create_table('comments',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('job_id', sa.String(length=16), nullable=False),
    sa.Column('iteration', sa.Integer(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(), nullable=False),
    sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('fk_comments_job_id_jobs')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_comments'))
    )
