/* What the two libraries of package libshopstock1 know of the shop's shelves. */
struct item {
  int number;
  const char *name;
  struct {
    double net;
    long tax;
  } price;
  struct item *next;
};

struct shelf {
  struct item *first;
  volatile int in_stock;
  char label[32];
};

/* Waits until the shelf has as many items as are wanted; returns how many are left. */
int shelf_take(struct shelf *shelf, int wanted);

/* Net price and tax of all items. */
double shelf_value(const struct shelf *shelf);
