/* libshopvalue.so.1: what a shelf is worth. */
#include "shopstock.h"

double shelf_value(const struct shelf *shelf) {
  double value = 0;
  for (const struct item *item = shelf->first; item; item = item->next) value += item->price.net + item->price.tax;
  return value;
}
