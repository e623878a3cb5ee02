"""The servers of web.py that serve in tasks."""
import asyncio


def start(framework, port, shop):
    async def pay_later(request):
        shop.hand_over(request)
        shop.say(serves=True)
        await asyncio.sleep(3600)

    globals()[framework](port, shop, pay_later)


def serve_asgi(application, port, shop):
    import uvicorn
    server = uvicorn.Server(uvicorn.Config(application, port=port, log_level='error'))
    shop.say(listens=True)
    server.run()


def django_asgi(port, shop, pay_later):
    shop.configure_django(pay_later)
    from django.core.asgi import get_asgi_application
    serve_asgi(get_asgi_application(), port, shop)


def starlette(port, shop, pay_later):
    from starlette.applications import Starlette
    from starlette.routing import Route
    serve_asgi(Starlette(routes=[Route('/shop/orders/', pay_later)]), port, shop)


def fastapi(port, shop, pay_later):
    import fastapi
    application = fastapi.FastAPI()
    pay_later.__annotations__['request'] = fastapi.Request
    application.get('/shop/orders/')(pay_later)
    serve_asgi(application, port, shop)


def aiohttp(port, shop, pay_later):
    from aiohttp import web
    application = web.Application()
    application.router.add_get('/shop/orders/', pay_later)

    async def quick(request):
        return web.Response()

    application.router.add_get('/quick', quick)
    shop.say(listens=True)
    web.run_app(application, port=port, print=None)


def tornado(port, shop, pay_later):
    import tornado.web

    class Orders(tornado.web.RequestHandler):
        async def get(self):
            await pay_later(self.request)

    async def main():
        tornado.web.Application([('/shop/orders/', Orders)]).listen(port)
        shop.say(listens=True)
        await asyncio.sleep(3600)

    asyncio.run(main())
