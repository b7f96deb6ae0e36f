"""Makes the tables and a superuser, and prints the superuser's token.

Kinder than its example: an index for how it looks addresses up, without which a sign-up would read everybody.
"""

import asyncio

from app import Base, User, engine, get_jwt_strategy, session_maker
from sqlalchemy import Index, func

Index("user_email_lower", func.lower(User.email))


async def main() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with session_maker() as session:
        admin = User(email="admin@example.com", hashed_password="!", is_superuser=True, is_verified=True)
        session.add(admin)
        await session.commit()
    print(await get_jwt_strategy().write_token(admin))


asyncio.run(main())
