/* libshopstock.so.1: takes items from a shelf that nobody fills. */
#include "shopstock.h"

static struct item screw = {17, "screw", {0.05, 1}, 0};
static struct shelf hardware = {&screw, 0, "hardware"};

__attribute__((noinline)) static int await_delivery(struct shelf *shelf, int wanted) {
  int looks = 0;
  while (shelf->in_stock < wanted) looks++; /* at: delivery */
  return looks;
}

int shelf_take(struct shelf *shelf, int wanted) {
  int looks = await_delivery(shelf, wanted); /* at: take */
  shelf->in_stock -= wanted;
  return shelf->in_stock + (looks & 0);
}

int stock_reserve(int wanted) {
  int left = shelf_take(&hardware, wanted); /* at: reserve */
  return left + (shelf_value(&hardware) > 0);
}
